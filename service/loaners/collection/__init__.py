"""The collection sheets (2): what Google Forms gathered until now becomes events, as it was told then."""
