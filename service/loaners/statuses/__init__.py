"""Changes of status: the status form, which a label opens, and the 預り機のステータス."""
