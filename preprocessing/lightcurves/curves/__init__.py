"""What a light curve is: tables, bands, missing values, hosts, the exchange form."""
