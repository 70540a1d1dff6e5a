"""From the command line to a scenario that plays."""

import argparse
from collections.abc import Callable

from agent.simulator.absences import Flapping, Outage
from agent.simulator.obey import Manners
from agent.simulator.oddities import ClockSkew, ClonedToken
from agent.simulator.scenario import Cast, Scenario, run
from agent.simulator.steady import Steady
from agent.simulator.storm import Storm

_SCENARIOS: dict[str, Callable[[argparse.Namespace], Scenario]] = {
    "steady": lambda chosen: Steady(chosen.interval, silent=chosen.silent, erroring=chosen.erroring),
    "storm": lambda chosen: Storm(chosen.within),
    "outage": lambda chosen: Steady(
        chosen.interval, absence=Outage(chosen.down, chosen.after, chosen.lasting, chosen.within)
    ),
    "flapping": lambda chosen: Steady(
        chosen.interval, absence=Flapping(chosen.down, chosen.up_seconds, chosen.down_seconds)
    ),
    "bad-firmware": lambda chosen: Steady(chosen.interval),
    "clock-skew": lambda chosen: ClockSkew(chosen.interval, chosen.skewed, chosen.skew_seconds),
    "cloned-token": lambda chosen: ClonedToken(chosen.interval, chosen.cloned),
}


def play(chosen: argparse.Namespace) -> int:
    """Returns the scenario's exit code. Raises SimulatorError."""
    cast = Cast(
        chosen.service_url,
        chosen.code,
        chosen.state_dir,
        chosen.terminals,
        chosen.prefix,
        chosen.stores_file,
        Manners(chosen.update_failures, chosen.update_failure_kinds, chosen.update_seconds),
        chosen.forwarded_for,
        chosen.site_size,
    )
    scenario = _SCENARIOS[chosen.scenario](chosen)
    return run(cast, scenario, keep_alive=chosen.scenario != "storm", seconds=chosen.seconds)
