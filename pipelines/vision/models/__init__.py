"""How a model comes onto the gateway: fetched, converted, fitted, made small, compared, then used."""
