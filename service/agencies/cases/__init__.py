"""Cases: requests as operators see and process them."""
