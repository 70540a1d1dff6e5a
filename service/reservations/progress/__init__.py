"""Why a reservation is where it is, and what comes next, in one place for everybody who is told."""
