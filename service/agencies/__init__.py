"""The agencies area: 申込投入."""
