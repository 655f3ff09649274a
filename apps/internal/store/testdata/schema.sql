create table `api_keys` (
  `id` bigint not null auto_increment,
  `public_id` varchar(32) not null,
  `name` varchar(100) not null,
  `secret_sha256` varbinary(32) not null,
  `scopes` varchar(255) not null,
  `rate` double,
  `burst` int not null,
  `max_body` bigint not null,
  `created_at` datetime(6) not null,
  `expires_at` datetime(6),
  `revoked_at` datetime(6),
  `last_used_at` datetime(6),
  primary key (`id`),
  unique key `api_keys_public_id` (`public_id`)
);
create table `audit_log` (
  `id` bigint not null auto_increment,
  `created_at` datetime(6) not null,
  `key_id` varchar(32) not null,
  `user_id` bigint not null,
  `action` varchar(64) not null,
  `target` varchar(32) not null,
  `target_ids` text not null,
  `request_id` varchar(64) not null,
  primary key (`id`)
);
create table `consents` (
  `person_id` bigint not null,
  `basis` varchar(32) not null,
  `from_at` datetime(6) not null,
  `until_at` datetime(6),
  `withdrawn_at` datetime(6),
  `key_id` varchar(32) not null,
  `user_id` bigint not null,
  `recorded_at` datetime(6) not null,
  `changed_at` datetime(6) not null,
  `told` varchar(16) not null,
  `swept` tinyint not null,
  primary key (`person_id`)
);
create table `corrections` (
  `id` bigint not null auto_increment,
  `image_id` bigint not null,
  `x` int not null,
  `y` int not null,
  `width` int not null,
  `height` int not null,
  `descriptor` varbinary(512) not null,
  `model` varchar(64) not null,
  `person_id` bigint not null,
  `excludes` tinyint not null,
  `candidates` mediumtext not null,
  `created_at` datetime(6) not null,
  `undone_at` datetime(6),
  `changed_at` datetime(6) not null,
  `pending` tinyint not null,
  `descriptor_rest` varbinary(3584) not null,
  `kind` varchar(16) not null,
  `describe_at` datetime(6),
  `group_change_id` bigint not null,
  primary key (`id`)
);
create table `erased_marks` (
  `mark` varbinary(16) not null,
  `kind` varchar(16) not null,
  `erasure_id` bigint not null,
  primary key (`mark`, `kind`, `erasure_id`)
);
create table `erased_places` (
  `id` bigint not null auto_increment,
  `erasure_id` bigint not null,
  `path_mark` varbinary(16) not null,
  `content_mark` varbinary(16) not null,
  `x` int not null,
  `y` int not null,
  `width` int not null,
  `height` int not null,
  `model` varchar(64) not null,
  primary key (`id`)
);
create table `erasures` (
  `id` bigint not null auto_increment,
  `public_id` varchar(32) not null,
  `salt` varchar(64) not null,
  `person_id` bigint not null,
  `images` varchar(16) not null,
  `state` varchar(16) not null,
  `entry` longtext not null,
  `counts` text not null,
  `left_files` int not null,
  `found` text not null,
  `lease_token` bigint not null,
  `lease_until` datetime(6),
  `created_at` datetime(6) not null,
  `erased_at` datetime(6),
  `searched_at` datetime(6),
  `verified_at` datetime(6),
  primary key (`id`),
  unique key `erasures_public_id` (`public_id`)
);
create table `event_state` (
  `id` int not null,
  `last_seq` bigint not null,
  `swept_seq` bigint not null,
  primary key (`id`)
);
create table `events` (
  `seq` bigint not null,
  `type` varchar(32) not null,
  `cause` varchar(32) not null,
  `created_at` datetime(6) not null,
  `image_id` bigint not null,
  `reason` varchar(64) not null,
  `people` varchar(1000) not null,
  `person_id` bigint not null,
  `other_id` bigint not null,
  primary key (`seq`)
);
create table `face_apart` (
  `id` bigint not null auto_increment,
  `face_a` bigint not null,
  `face_b` bigint not null,
  `model` varchar(64) not null,
  `created_at` datetime(6) not null,
  `undone_at` datetime(6),
  primary key (`id`)
);
create table `face_groups` (
  `face_id` bigint not null,
  `model` varchar(64) not null,
  `group_key` bigint not null,
  primary key (`face_id`)
);
create table `faces` (
  `id` bigint not null auto_increment,
  `image_id` bigint not null,
  `position` int not null,
  `x` int not null,
  `y` int not null,
  `width` int not null,
  `height` int not null,
  `landmarks` text not null,
  `descriptor` varbinary(512) not null,
  `model` varchar(64) not null,
  `reason` varchar(32) not null,
  `best_person_id` bigint not null,
  `best_distance` double not null,
  `matched_image` varchar(750) not null,
  `second_person_id` bigint not null,
  `second_distance` double not null,
  `second_image` varchar(750) not null,
  `created_at` datetime(6) not null,
  `quality_score` double not null,
  `quality_size` int not null,
  `quality_sharpness` double not null,
  `quality_yaw` double not null,
  `quality_roll` double not null,
  `gallery` varchar(64) not null,
  `corrected` int not null,
  `descriptor_rest` varbinary(3584) not null,
  `best_parts` varchar(100) not null,
  `second_parts` varchar(100) not null,
  `quality_detection` double not null,
  `quality_cut_off` double not null,
  `drawn` tinyint not null,
  primary key (`id`)
);
create table `group_changes` (
  `id` bigint not null auto_increment,
  `says` varchar(16) not null,
  `model` varchar(64) not null,
  `group_key` bigint not null,
  `person_id` bigint not null,
  `added` tinyint not null,
  `faces` bigint not null,
  `best` text not null,
  `one` mediumtext not null,
  `others` mediumtext not null,
  `created_at` datetime(6) not null,
  `undone_at` datetime(6),
  primary key (`id`)
);
create table `group_sizes` (
  `model` varchar(64) not null,
  `group_key` bigint not null,
  `faces` bigint not null,
  primary key (`model`, `group_key`)
);
create table `grouping` (
  `model` varchar(64) not null,
  `state` varchar(32) not null,
  `detail` varchar(500) not null,
  `distance` double not null,
  `faces` bigint not null,
  `total` bigint not null,
  `group_count` bigint not null,
  `checkpoint` bigint not null,
  `started_at` datetime(6) not null,
  `updated_at` datetime(6) not null,
  primary key (`model`)
);
create table `grouping_parts` (
  `model` varchar(64) not null,
  `checkpoint` bigint not null,
  `part` int not null,
  `data` mediumblob not null,
  primary key (`model`, `checkpoint`, `part`)
);
create table `idempotency_keys` (
  `key_sha256` varbinary(32) not null,
  `head_sha256` varbinary(32) not null,
  `body_sha256` varbinary(32),
  `body_size` bigint not null,
  `token` bigint not null,
  `lease_until` datetime(6) not null,
  `status` int not null,
  `acted` tinyint not null,
  `headers` text not null,
  `answer` mediumblob,
  `expires_at` datetime(6) not null,
  primary key (`key_sha256`)
);
create table `image_rescans` (
  `image_id` bigint not null,
  `rescan_id` bigint not null,
  `state` varchar(32) not null,
  `only_changed` tinyint not null,
  `again` tinyint not null,
  `attempts` int not null,
  `lease_owner` varchar(255) not null,
  `lease_token` bigint not null,
  `lease_until` datetime(6),
  `published_at` datetime(6),
  `reason` varchar(32) not null,
  `detail` varchar(500) not null,
  `created_at` datetime(6) not null,
  `updated_at` datetime(6) not null,
  primary key (`image_id`)
);
create table `image_totals` (
  `minute` bigint not null,
  `reason` varchar(32) not null,
  `images` bigint not null,
  primary key (`minute`, `reason`)
);
create table `images` (
  `id` bigint not null auto_increment,
  `path` varchar(750) not null,
  `person` bigint,
  `status` int not null,
  `reason` varchar(32) not null,
  `detail` varchar(500) not null,
  `width` int not null,
  `height` int not null,
  `model` varchar(64) not null,
  `attempts` int not null,
  `rounds` int not null,
  `lease_token` bigint not null,
  `lease_owner` varchar(255) not null,
  `lease_until` datetime(6),
  `published_at` datetime(6),
  `retry_at` datetime(6),
  `duplicate_of` bigint not null,
  `dedup` bigint not null,
  `created_at` datetime(6) not null,
  `updated_at` datetime(6) not null,
  `warning` varchar(500) not null,
  `omitted` int not null,
  `file_size` bigint not null,
  `file_modified` bigint not null,
  `file_sha256` varchar(64) not null,
  `certainty` int not null,
  `file_name` varchar(255) not null,
  `trace_context` varchar(64),
  primary key (`id`),
  unique key `images_path` (`path`, `dedup`)
);
create table `merges` (
  `id` bigint not null auto_increment,
  `person_id` bigint not null,
  `person_name` varchar(255) not null,
  `merged_id` bigint not null,
  `merged_name` varchar(255) not null,
  `merged_hidden` tinyint not null,
  `merged_cover_id` bigint not null,
  `images` int not null,
  `known_images` mediumtext not null,
  `corrections` mediumtext not null,
  `created_at` datetime(6) not null,
  `undone_at` datetime(6),
  `new_name` varchar(255) not null,
  primary key (`id`)
);
create table `models` (
  `id` varchar(64) not null,
  `threshold` double not null,
  `margin` double not null,
  `official` tinyint not null,
  `last_used` datetime(6) not null,
  `size` int not null,
  `networks` varchar(255) not null,
  `far_threshold` double not null,
  `far_margin` double not null,
  `floor_size` int not null,
  `floor_sharpness` double not null,
  `floor_yaw` double not null,
  `floor_cut_off` double not null,
  `floor_detection` double not null,
  `first_used` datetime(6),
  primary key (`id`)
);
create table `outbox` (
  `id` bigint not null auto_increment,
  `type` varchar(32) not null,
  `cause` varchar(32) not null,
  `created_at` datetime(6) not null,
  `image_id` bigint not null,
  `reason` varchar(64) not null,
  `people` varchar(1000) not null,
  `person_id` bigint not null,
  `other_id` bigint not null,
  primary key (`id`)
);
create table `outcome_minutes` (
  `minute` bigint not null,
  `instance` varchar(128) not null,
  `reason` varchar(32) not null,
  `images` bigint not null,
  primary key (`minute`, `instance`, `reason`)
);
create table `person` (
  `id` bigint not null auto_increment,
  `name` varchar(255) not null,
  `hidden` tinyint not null,
  `cover_id` bigint not null,
  `version` bigint not null,
  primary key (`id`)
);
create table `person_folders` (
  `name` varchar(255) not null,
  `person_id` bigint not null,
  primary key (`name`)
);
create table `person_images` (
  `id` bigint not null auto_increment,
  `image_name` varchar(750),
  `person_id` bigint,
  `source` varchar(32) not null,
  `face_id` bigint not null,
  `sha256` varchar(64) not null,
  `added_at` datetime(6),
  `public_id` varchar(36),
  primary key (`id`),
  unique key `person_images_public_id` (`public_id`)
);
create table `program_states` (
  `program` varchar(32) not null,
  `instance` varchar(128) not null,
  `seen_at` datetime(6) not null,
  `state` mediumtext not null,
  primary key (`program`, `instance`)
);
create table `rematch_changes` (
  `rematch_id` bigint not null,
  `image_id` bigint not null,
  `state` varchar(32) not null,
  `visible` tinyint not null,
  `from_reason` varchar(32) not null,
  `from_person` bigint not null,
  `to_reason` varchar(32) not null,
  `to_person` bigint not null,
  `before_change` mediumtext not null,
  `after_change` mediumtext not null,
  primary key (`rematch_id`, `image_id`)
);
create table `rematch_known` (
  `image_name` varchar(750) not null,
  `content_id` varchar(64) not null,
  `person_id` bigint not null,
  primary key (`image_name`)
);
create table `rematch_state` (
  `id` int not null,
  `fingerprint` varchar(64) not null,
  `gallery` varchar(64) not null,
  `model` varchar(64) not null,
  `threshold` double not null,
  `margin` double not null,
  `face_mark` bigint not null,
  `dirty` tinyint not null,
  `lease_owner` varchar(255) not null,
  `lease_token` bigint not null,
  `lease_until` datetime(6),
  `rule` varchar(64) not null,
  `agreed_model` varchar(64) not null,
  primary key (`id`)
);
create table `rematches` (
  `id` bigint not null auto_increment,
  `state` varchar(32) not null,
  `cause` varchar(32) not null,
  `scope` varchar(32) not null,
  `apply` tinyint not null,
  `whole` tinyint not null,
  `detail` varchar(500) not null,
  `fingerprint` varchar(64) not null,
  `gallery` varchar(64) not null,
  `model` varchar(64) not null,
  `threshold` double not null,
  `margin` double not null,
  `pictures_added` int not null,
  `pictures_removed` int not null,
  `faces` bigint not null,
  `images` bigint not null,
  `skipped` bigint not null,
  `seek` bigint not null,
  `created_at` datetime(6) not null,
  `started_at` datetime(6),
  `finished_at` datetime(6),
  `rule` varchar(64) not null,
  primary key (`id`)
);
create table `rescan_results` (
  `rescan_id` bigint not null,
  `image_id` bigint not null,
  `state` varchar(32) not null,
  `from_reason` varchar(32) not null,
  `from_person` bigint not null,
  `to_reason` varchar(32) not null,
  `to_person` bigint not null,
  `faces_before` int not null,
  `faces_after` int not null,
  `people_found` text not null,
  `people_lost` text not null,
  `corrections_unplaced` int not null,
  `detail` varchar(500) not null,
  primary key (`rescan_id`, `image_id`)
);
create table `rescans` (
  `id` bigint not null auto_increment,
  `state` varchar(32) not null,
  `cause` varchar(32) not null,
  `model` varchar(64) not null,
  `whole` tinyint not null,
  `detail` varchar(500) not null,
  `total` bigint not null,
  `done` bigint not null,
  `changed` bigint not null,
  `failed` bigint not null,
  `people_found` bigint not null,
  `people_lost` bigint not null,
  `faces_found` bigint not null,
  `faces_lost` bigint not null,
  `corrections_unplaced` bigint not null,
  `seek` bigint not null,
  `created_at` datetime(6) not null,
  `started_at` datetime(6),
  `finished_at` datetime(6),
  primary key (`id`)
);
create table `retention` (
  `id` bigint not null,
  `rules` text not null,
  `started_at` datetime(6),
  `finished_at` datetime(6),
  `images` bigint not null,
  `files` bigint not null,
  `complete` tinyint not null,
  primary key (`id`)
);
create table `schema_migrations` (
  `version` bigint not null,
  `name` varchar(255) not null,
  `applied_at` datetime not null,
  primary key (`version`)
);
create table `sessions` (
  `id` bigint not null auto_increment,
  `token_sha256` varbinary(32) not null,
  `user_id` bigint not null,
  `role` varchar(32) not null,
  `way` varchar(16) not null,
  `address` varchar(64) not null,
  `browser` varchar(255) not null,
  `created_at` datetime(6) not null,
  `seen_at` datetime(6) not null,
  `expires_at` datetime(6) not null,
  `ends_at` datetime(6) not null,
  primary key (`id`),
  unique key `sessions_token` (`token_sha256`)
);
create table `settings` (
  `name` varchar(64) not null,
  `value` varchar(255) not null,
  primary key (`name`)
);
create table `sign_in_codes` (
  `code_sha256` varbinary(32) not null,
  `kind` varchar(16) not null,
  `user_id` bigint not null,
  `created_at` datetime(6) not null,
  `expires_at` datetime(6) not null,
  primary key (`code_sha256`)
);
create table `user_identities` (
  `identity_sha256` varbinary(32) not null,
  `user_id` bigint not null,
  `created_at` datetime(6) not null,
  primary key (`identity_sha256`)
);
create table `user_passwords` (
  `user_id` bigint not null,
  `hash` varchar(255) not null,
  `updated_at` datetime(6) not null,
  primary key (`user_id`)
);
create table `users` (
  `id` bigint not null auto_increment,
  `name` varchar(128) not null,
  `role` varchar(32) not null,
  `created_at` datetime(6) not null,
  `updated_at` datetime(6) not null,
  primary key (`id`),
  unique key `users_name` (`name`)
);
create table `webhook_deliveries` (
  `id` bigint not null auto_increment,
  `webhook_id` bigint not null,
  `event_id` bigint not null,
  `message` varchar(64) not null,
  `type` varchar(32) not null,
  `ok` tinyint not null,
  `status` int not null,
  `problem` varchar(255) not null,
  `took_ms` bigint not null,
  `created_at` datetime(6) not null,
  primary key (`id`)
);
create table `webhooks` (
  `id` bigint not null auto_increment,
  `name` varchar(100) not null,
  `url` varchar(2000) not null,
  `types` varchar(500) not null,
  `state` varchar(16) not null,
  `declared` tinyint not null,
  `secret` varchar(500) not null,
  `old_secret` varchar(500) not null,
  `old_until` datetime(6),
  `delivered` bigint not null,
  `failing_since` datetime(6),
  `failures` int not null,
  `next_attempt` datetime(6),
  `lease_token` bigint not null,
  `lease_until` datetime(6),
  `created_at` datetime(6) not null,
  `updated_at` datetime(6) not null,
  primary key (`id`),
  unique key `webhooks_name` (`name`)
);
