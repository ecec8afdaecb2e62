"""What a platform accepts, and what it would refuse. Pure: no network, no Docker, no clock."""
