"""Builds a scenario from the command line and runs it."""

import argparse
from collections.abc import Callable

from agent.simulator.absences import Flapping, Outage
from agent.simulator.obey import UpdateBehaviour
from agent.simulator.oddities import ClockSkew, ClonedToken
from agent.simulator.scenario import FleetOptions, Scenario, run
from agent.simulator.steady import Steady
from agent.simulator.storm import Storm

_SCENARIOS: dict[str, Callable[[argparse.Namespace], Scenario]] = {
    "steady": lambda options: Steady(options.interval, silent=options.silent, erroring=options.erroring),
    "storm": lambda options: Storm(options.within),
    "outage": lambda options: Steady(
        options.interval, absence=Outage(options.down, options.after, options.lasting, options.within)
    ),
    "flapping": lambda options: Steady(
        options.interval, absence=Flapping(options.down, options.up_seconds, options.down_seconds)
    ),
    "bad-firmware": lambda options: Steady(options.interval),
    "clock-skew": lambda options: ClockSkew(options.interval, options.skewed, options.skew_seconds),
    "cloned-token": lambda options: ClonedToken(options.interval, options.cloned),
}


def run_from_options(options: argparse.Namespace) -> int:
    """Run the scenario. Returns its exit code. Raises SimulatorError."""
    fleet_options = FleetOptions(
        options.service_url,
        options.code,
        options.state_dir,
        options.terminals,
        options.prefix,
        options.stores_file,
        UpdateBehaviour(options.update_failures, options.update_failure_kinds, options.update_seconds),
        options.forwarded_for,
        options.site_size,
    )
    scenario = _SCENARIOS[options.scenario](options)
    return run(fleet_options, scenario, keep_alive=options.scenario != "storm", seconds=options.seconds)
