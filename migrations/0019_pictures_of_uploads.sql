-- Find the picture that an upload shows: by its pixels, or by the recipe inside of the file.
CREATE INDEX pictures_by_pixels ON pictures (sha256);
CREATE INDEX pictures_by_seed ON pictures (seed);
