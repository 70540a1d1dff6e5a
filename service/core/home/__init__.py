"""ホーム: a sentence about each area of the user, what is due in all of them, or the week's figures."""
