"""Why a point or a product does not arrive: the first stage between device and broker that stops it."""
