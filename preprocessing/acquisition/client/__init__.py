"""How archives are spoken to: allowed hosts alone, at a polite pace, patiently, and each question once."""
