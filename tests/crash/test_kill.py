"""kill -9, again and again, during scrape and remote write. TIDEMARK_KILLS sets how often (500 in the
full form), TIDEMARK_SEED what happens in between."""
import os

from killing import kill_loop

RELEASE_ONLY = True


def test_kills_lose_nothing():
    seed = int(os.environ.get("TIDEMARK_SEED", "1"))
    kill_loop(int(os.environ.get("TIDEMARK_KILLS", "40")), seed)
