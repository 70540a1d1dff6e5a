"""Pages of 申込投入, one file per page."""
