"""What happens while a run is under way: trials of a search, metrics in a log, a stop, the observation at its end."""
