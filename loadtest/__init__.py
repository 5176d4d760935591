"""Load tests and benchmarks of the service; see loadtest/README.md. Run from the repository's folder."""
