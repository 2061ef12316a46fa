"""Run folders: their files, who trains in them, started, watched and diagnosed. No torch."""
