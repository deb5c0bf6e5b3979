"""kill -9, again and again: at named points of the storage's work, and at any moment of scrape and remote
write into the binary that ships. TIDEMARK_KILLS sets how often (5000 in the full form, a fifth of them of
the second kind), TIDEMARK_SEED what happens in between."""
import os

from killing import kill_loop
from killing_points import kill_at_points

RELEASE_ONLY = True
KILLS = int(os.environ.get("TIDEMARK_KILLS", "100"))
SEED = int(os.environ.get("TIDEMARK_SEED", "1"))


def test_kills_at_named_points_lose_nothing():
    kill_at_points(KILLS - KILLS // 5, SEED)


def test_kills_lose_nothing():
    kill_loop(KILLS // 5, SEED)
