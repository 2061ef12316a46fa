"""How fast it is, and what is computed: translating, training, evaluating, reading."""
