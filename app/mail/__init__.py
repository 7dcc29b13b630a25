"""The words of every email: what there is to tell, and the templates that tell it. Sending is the flows'."""
