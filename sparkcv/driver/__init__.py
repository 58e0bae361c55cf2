"""The driver's side of each job: check everything before the roles start, run them, verify what they left."""
