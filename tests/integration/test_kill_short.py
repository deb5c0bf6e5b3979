"""The short forms of the kill loops; tests/crash has the long ones."""
from killing import kill_loop
from killing_points import kill_at_points

RELEASE_ONLY = True


def test_fifteen_kills_lose_nothing():
    kill_loop(15, 15)


def test_a_kill_at_each_named_point_loses_nothing():
    kill_at_points(0, 15)
