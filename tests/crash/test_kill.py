"""kill -9, again and again: at named points of the storage's work, and at any moment of scrape and remote
write into the binary that ships. TIDEMARK_KILLS sets how often (5000 in the full form, a fifth of them of
the second kind), TIDEMARK_SEED what happens in between, TIDEMARK_LOOPS how many loops do so at once, each
with servers, a folder and a seed of its own: a loop mostly waits, for a start or for a call to come."""
import os

from killing import kill_loop
from killing_points import kill_at_points
from side_by_side import run

RELEASE_ONLY = True
KILLS = int(os.environ.get("TIDEMARK_KILLS", "100"))
SEED = int(os.environ.get("TIDEMARK_SEED", "1"))
LOOPS = int(os.environ.get("TIDEMARK_LOOPS", "0")) or max(1, min(6, KILLS // 250))  # Each meets each point.


def test_kills_at_named_points_lose_nothing():
    run(kill_at_points, KILLS - KILLS // 5, SEED, LOOPS)


def test_kills_lose_nothing():
    run(kill_loop, KILLS // 5, SEED, LOOPS)
