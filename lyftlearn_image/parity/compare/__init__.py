"""One comparator a file: what the same result means for text, JSON, tables, arrays, models and environments."""
