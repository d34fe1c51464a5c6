import pytest
from hypothesis import given
from hypothesis import strategies as st

from flightvgm_arch.isa import (
    ALIGNMENT,
    BODY_BITS,
    EXTENT_BITS,
    FLAG_BITS,
    HEADER_BITS,
    OFFSET_BITS,
    OPCODE_BITS,
    OPERATIONS,
    QUEUES,
    REGISTERS,
    SEMAPHORE_LIMIT,
    SEMAPHORES,
    WORD_BYTES,
    Address,
    EncodingError,
    Event,
    Field,
    Instruction,
    Operation,
    Reg,
    decode,
    disassemble,
    encode,
    instructions,
)

WITH_FIELDS = [(operation, item) for operation in OPERATIONS for item in operation.fields]
registers = st.integers(0, REGISTERS - 1)


def edges(low, high):
    return st.sampled_from([low, high]) | st.integers(low, high)


def operands(item: Field):
    if item.kind == "address":
        return st.builds(
            lambda base, units: Address(base, units * ALIGNMENT), registers, edges(0, (1 << OFFSET_BITS) - 1)
        )
    if item.kind == "extent":
        return edges(0, (1 << EXTENT_BITS) - 1) | st.builds(Reg, registers)
    if item.kind == "int":
        return edges(-(1 << item.bits - 1), (1 << item.bits - 1) - 1)
    return edges(0, (len(item.choices) or 1 << item.bits) - 1)


events = st.lists(st.builds(Event, st.integers(0, SEMAPHORES - 1), st.integers(1, SEMAPHORE_LIMIT)), max_size=2).map(
    tuple
)


def of(operation: Operation):
    return st.builds(
        Instruction,
        st.just(operation.name),
        st.fixed_dictionaries({item.name: operands(item) for item in operation.fields}),
        st.frozensets(st.sampled_from(operation.flags)) if operation.flags else st.just(frozenset()),
        events,
        events,
    )


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
@given(data=st.data())
def test_encoding_is_reversible(operation, data):
    instruction = data.draw(of(operation))
    word = encode(instruction)
    assert len(word) == WORD_BYTES
    assert decode(word) == instruction
    assert disassemble(instruction).startswith(operation.name)


@given(data=st.data())
def test_a_field_changes_its_own_bits_only(data):
    operation, item = data.draw(st.sampled_from(WITH_FIELDS))
    low = HEADER_BITS
    for before in operation.fields[: operation.fields.index(item)]:
        low += before.bits
    value = data.draw(operands(item))
    zero = encode(Instruction(operation.name))
    word = encode(Instruction(operation.name, {item.name: value}))
    changed = int.from_bytes(zero, "little") ^ int.from_bytes(word, "little")
    assert changed & ~((1 << item.bits) - 1 << low) == 0


def test_a_known_word():
    instruction = Instruction(
        "SET", {"rd": 3, "value": 0x123456789A}, waits=(Event(1, 2),), signals=(Event(31, 63), Event(4, 1))
    )
    word = int.from_bytes(encode(instruction), "little")
    header = 1 | (1 | 2 << 5) << 16 | (31 | 63 << 5) << 38 | (4 | 1 << 5) << 49
    assert word == header | (3 | 0x123456789A << 5) << 64
    assert disassemble(instruction) == "SET     rd=3 value=78187493530 wait(s1>=2) signal(s31+63) signal(s4+1)"


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_reserved_bits_are_refused(operation):
    used = HEADER_BITS + sum(item.bits for item in operation.fields)
    unused_flags = range(OPCODE_BITS + len(operation.flags), OPCODE_BITS + FLAG_BITS)
    word = int.from_bytes(encode(Instruction(operation.name)), "little")
    for bit in (*unused_flags, *range(60, HEADER_BITS), *range(used, 8 * WORD_BYTES)):
        with pytest.raises(EncodingError, match=f"{operation.name} has reserved bits set"):
            decode((word | 1 << bit).to_bytes(WORD_BYTES, "little"))


@pytest.mark.parametrize(("operation", "item"), WITH_FIELDS, ids=lambda part: part.name)
def test_a_value_out_of_range_is_refused_by_name(operation, item):
    bad = {
        "uint": [-1, len(item.choices) or 1 << item.bits],
        "int": [-(1 << item.bits - 1) - 1, 1 << item.bits - 1],
        "extent": [-1, 1 << EXTENT_BITS, Reg(REGISTERS), Reg(-1)],
        "address": [Address(0, ALIGNMENT << OFFSET_BITS), Address(0, 1), Address(REGISTERS, 0), Address(0, -ALIGNMENT)],
    }[item.kind]
    for value in bad:
        with pytest.raises(EncodingError, match=rf"{operation.name}\.{item.name}"):
            encode(Instruction(operation.name, {item.name: value}))


@pytest.mark.parametrize(
    ("instruction", "sentence"),
    [
        (Instruction("JUMP"), "there is no instruction 'JUMP'"),
        (Instruction("SET", {"rx": 1}), "SET has no field or flag 'rx'"),
        (Instruction("SET", flags=frozenset({"fast"})), "SET has no field or flag 'fast'"),
        (Instruction("END", waits=(Event(0, 1),) * 3), "END has 3 waits or signals; two is the most"),
        (Instruction("END", waits=(Event(32, 1),)), "END, semaphore: 32 must be 0 to 31"),
        (Instruction("END", signals=(Event(0, 64),)), "END, semaphore count: 64 must be 0 to 63"),
        (Instruction("SET", {"rd": Reg(1)}), "SET.rd takes a number, not r1"),
        (Instruction("FILL", {"count": Address(1, 32)}), "FILL.count takes a number"),
    ],
)
def test_a_malformed_instruction_is_refused(instruction, sentence):
    with pytest.raises(EncodingError, match=sentence):
        encode(instruction)


def test_words_that_are_no_instructions_are_refused():
    with pytest.raises(EncodingError, match="opcode 63 is not an instruction"):
        decode((63).to_bytes(WORD_BYTES, "little"))
    with pytest.raises(EncodingError, match="cut short"):
        decode(bytes(WORD_BYTES - 1))
    with pytest.raises(EncodingError, match="cut short"):
        list(instructions(bytes(WORD_BYTES + 8)))
    transform = next(item for item in WITH_FIELDS if item[1].name == "transform")
    operation, item = transform
    low = HEADER_BITS + sum(before.bits for before in operation.fields[: operation.fields.index(item)])
    with pytest.raises(EncodingError, match=r"LOADA\.transform: 3 must be 0 to 2"):
        decode((operation.opcode | 3 << low).to_bytes(WORD_BYTES, "little"))
    with pytest.raises(EncodingError, match=r"FILL\.count: there is no such register"):
        decode((22 | (1 << EXTENT_BITS | REGISTERS) << HEADER_BITS + 36).to_bytes(WORD_BYTES, "little"))


def test_a_sequence_decodes_word_by_word():
    program = [Instruction("SET", {"rd": 1, "value": 7}), Instruction("END", {"code": 0})]
    assert list(instructions(b"".join(encode(item) for item in program))) == program


def test_the_table_is_sound():
    assert len({operation.opcode for operation in OPERATIONS}) == len(OPERATIONS)
    assert len({operation.name for operation in OPERATIONS}) == len(OPERATIONS)
    for operation in OPERATIONS:
        names = [item.name for item in operation.fields]
        assert len(set(names)) == len(names), operation.name
        assert operation.queue in QUEUES
        assert sum(item.bits for item in operation.fields) <= BODY_BITS


def test_zero_operands_are_left_out_of_the_text_and_choices_are_named():
    text = disassemble(
        Instruction("LOADA", {"target": 1, "count": Reg(5), "source": Address(16, 64)}, frozenset({"mapped"}))
    )
    assert text == "LOADA   .mapped source=[r16 + 0x40] count=r5 map=0 target=B".replace(" map=0", "")
