"""One test for each threat that no other part of the suite is about; docs/threats.md names the test of every threat."""
