"""Models of other libraries that the benchmarks run beside ours; the extra `benchmarks` installs what they need."""
