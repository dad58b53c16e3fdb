-- What the two databases have in common by name only.

-- Milliseconds since 1970 by this server's clock. Leases and deadlines of all sidecars are measured on it.
CREATE FUNCTION now_ms() RETURNS bigint LANGUAGE sql VOLATILE AS
$$ SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint $$;

-- The first statement of every batch that writes: past the deadline the batch fails whole. A server that was
-- frozen would otherwise, when it wakes, carry out what its client has given up and reported as failed.
CREATE FUNCTION begin_before(deadline_ms bigint) RETURNS void LANGUAGE plpgsql VOLATILE AS
$$
BEGIN
    IF npcchat.now_ms() > deadline_ms THEN
        RAISE EXCEPTION 'the deadline of this batch has passed';
    END IF;
END
$$;
