"""Every command that writes, killed at moments that chance chooses."""

import sys

import pytest
from kills import COMMANDS, run_kills, table_of

KILLS, SEED = 20, 20261129


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(sys.platform == "win32", reason="processes are forked")
def test_killed_commands_leave_whole_results_or_none_and_can_be_repeated() -> None:
    found = run_kills(KILLS, SEED)
    assert sum(one.kills for one in found.values()) == KILLS
    assert all(found[command.name].kills for command in COMMANDS)
    assert {name: one.faults for name, one in found.items() if one.faults} == {}, table_of(found)
