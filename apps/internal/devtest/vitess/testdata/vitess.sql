-- What Vitess needs beside the store's own tables.

-- Lookup tables, in the keyspace images: in which shard a path, a face and a correction are.
create table `image_paths` (
  `path` varchar(750) not null,
  `keyspace_id` varbinary(10) not null,
  primary key (`path`)
);
create table `face_images` (
  `id` bigint not null,
  `keyspace_id` varbinary(10) not null,
  primary key (`id`)
);
create table `correction_images` (
  `id` bigint not null,
  `keyspace_id` varbinary(10) not null,
  primary key (`id`)
);

-- Sequences, in the keyspace rollcall: AUTO_INCREMENT counts in one shard only.
create table `images_seq` (`id` bigint not null, `next_id` bigint, `cache` bigint, primary key (`id`)) comment 'vitess_sequence';
create table `faces_seq` (`id` bigint not null, `next_id` bigint, `cache` bigint, primary key (`id`)) comment 'vitess_sequence';
create table `corrections_seq` (`id` bigint not null, `next_id` bigint, `cache` bigint, primary key (`id`)) comment 'vitess_sequence';
create table `outbox_seq` (`id` bigint not null, `next_id` bigint, `cache` bigint, primary key (`id`)) comment 'vitess_sequence';
