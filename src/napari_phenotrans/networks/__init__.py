"""Networks: modules without training."""
