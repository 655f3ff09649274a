-- Lists of images by the time at which they were posted.

ALTER TABLE images
  ADD KEY images_created (created_at);
