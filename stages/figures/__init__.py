"""Pictures and the report; computes no metric."""
