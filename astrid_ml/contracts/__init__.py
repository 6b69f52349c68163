"""What passes between the framework and what is plugged into it."""
