"""Generated printed circuit boards with painted defects, in the layout of HRIPCB and with exact masks."""
