"""The fault run: windows on two engines while everything else is killed, frozen, cut off and filled up."""
