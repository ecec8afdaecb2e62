"""One report format a file, each a pure function from a suite's result to text."""
