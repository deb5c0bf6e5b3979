"""The short form of the kill loop; tests/crash has the long one."""
from killing import kill_loop

RELEASE_ONLY = True


def test_fifteen_kills_lose_nothing():
    kill_loop(15, 15)
