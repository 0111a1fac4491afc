-- An event whose person is forgotten keeps its states and counts; its body says nothing of the person, and nothing is made of it any more.
ALTER TABLE events ADD COLUMN forgotten_at timestamptz;
