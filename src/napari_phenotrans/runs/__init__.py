"""Run folders, without torch: their files and lock; starting, watching and diagnosing a training."""
