"""From files to arrays: reading, checking, splitting, vocabularies. No TensorFlow here."""
