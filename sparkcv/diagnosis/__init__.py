"""What died or stands still, and why: facts, stacks and log lines in, one report with the setting to change out."""
