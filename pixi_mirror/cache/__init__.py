"""Turn packages into verified local files, many at once; the store that all mirrors of a user share."""
