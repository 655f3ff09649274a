-- Lists of images by the time at which they were posted.

CREATE INDEX images_created ON images (created_at);
