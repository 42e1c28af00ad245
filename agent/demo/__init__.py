"""A whole small site on this computer: a meter, a broker, the gateway and the city's side."""
