"""What the toolkit needs of this machine, of AWS and of a cluster: one finding a line, each with what to do."""
