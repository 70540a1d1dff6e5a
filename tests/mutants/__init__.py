"""`make test-mutants`: faults put into the product one at a time, and whether `make test` notices them."""
