CREATE INDEX documents_order ON documents (scope_id, published, document_id);
