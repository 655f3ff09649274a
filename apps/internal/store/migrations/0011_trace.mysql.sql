-- The trace of a post goes on in the processor that takes its image: the body of a
-- message has no room for it. NULL means that the post is not traced, which nearly all
-- are. The outcome of the image removes it. Programs of the tenth version do not know
-- the column; what they leave in it is removed by the next outcome or retry.

ALTER TABLE images
  ADD COLUMN trace_context VARCHAR(64) ${EXACT} NULL;
