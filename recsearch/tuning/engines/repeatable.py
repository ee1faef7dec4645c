"""Operations of TensorFlow whose results depend on their operands and on variables only.

A graph of these operations gives the same numbers whether it was kept or is traced again. The list
has no operation that keeps a state of its own (random generators, tables, queues, Python functions)
and none that was not checked: a model with such an operation is built again, which takes longer but
is never wrong. Random operations are in the list if their seed is an operand ("Stateless...").
"""

from collections.abc import Iterable

_NAMES = """
    Abs Acos Acosh Add AddN AddV2 All Any ArgMax ArgMin Asin Asinh Assert AssignAddVariableOp
    AssignSubVariableOp AssignVariableOp Atan Atan2 Atanh AvgPool AvgPoolGrad BatchMatMul
    BatchMatMulV2 BatchMatMulV3 BiasAdd BiasAddGrad BiasAddV1 Bincount Bitcast BitwiseAnd
    BitwiseOr BitwiseXor BroadcastGradientArgs BroadcastTo Case Cast Ceil ClipByValue Complex
    Concat ConcatOffset ConcatV2 Const Conv2D Conv2DBackpropFilter Conv2DBackpropInput Cos Cosh
    Cross Cumprod Cumsum DenseBincount DepthwiseConv2dNative DepthwiseConv2dNativeBackpropFilter
    DepthwiseConv2dNativeBackpropInput Diag DiagPart Digamma DivNoNan DynamicPartition
    DynamicStitch Einsum Elu EluGrad EmptyTensorList EnsureShape Equal Erf Erfc Erfinv Exp
    ExpandDims Expm1 Fill Floor FloorDiv FloorMod FusedBatchNormGradV3 FusedBatchNormV3 Gather
    GatherNd GatherV2 Greater GreaterEqual Identity IdentityN If Imag InTopKV2 InvGrad
    InvertPermutation IsFinite IsInf IsNan IteratorGetNext L2Loss LeakyRelu LeakyReluGrad
    LeftShift Less LessEqual Lgamma LinSpace ListDiff Log Log1p LogSoftmax LogicalAnd LogicalNot
    LogicalOr LowerBound MatMul MatrixBandPart MatrixDiagPartV3 MatrixDiagV3 Max MaxPool
    MaxPoolGrad Maximum Mean Min Minimum MirrorPad MirrorPadGrad Mod Mul Neg NoOp NotEqual OneHot
    Pack Pad PadV2 ParallelDynamicStitch PartitionedCall PlaceholderWithDefault Pow
    PreventGradient Prod RaggedRange Range Rank ReadVariableOp Real RealDiv Reciprocal
    ReciprocalGrad Relu Relu6 Relu6Grad ReluGrad Reshape ResourceApplyAdam ResourceGather
    ResourceGatherNd ResourceScatterAdd ResourceScatterMax ResourceScatterMin ResourceScatterMul
    ResourceScatterNdAdd ResourceScatterNdUpdate ResourceScatterSub ResourceScatterUpdate
    ReverseV2 RightShift Rint Roll Round Rsqrt RsqrtGrad ScatterNd SegmentMean SegmentSum
    SegmentSumV2 Select SelectV2 Selu SeluGrad Shape ShapeN Sigmoid SigmoidGrad Sign Sin Sinh Size
    Slice Softmax SoftmaxCrossEntropyWithLogits Softplus SoftplusGrad Softsign SoftsignGrad
    SparseSegmentMean SparseSegmentSum SparseSoftmaxCrossEntropyWithLogits SparseTensorDenseMatMul
    Split SplitV Sqrt SqrtGrad Square SquaredDifference Squeeze StatefulPartitionedCall
    StatelessCase StatelessIf StatelessMultinomial StatelessRandomBinomial StatelessRandomGammaV2
    StatelessRandomGammaV3 StatelessRandomGetAlg StatelessRandomGetKeyCounter
    StatelessRandomGetKeyCounterAlg StatelessRandomNormal StatelessRandomNormalV2
    StatelessRandomUniform StatelessRandomUniformFullInt StatelessRandomUniformFullIntV2
    StatelessRandomUniformInt StatelessRandomUniformIntV2 StatelessRandomUniformV2
    StatelessShuffle StatelessTruncatedNormalV2 StatelessWhile StopGradient StridedSlice
    StridedSliceGrad Sub Sum Tan Tanh TanhGrad TensorListElementShape TensorListFromTensor
    TensorListGetItem TensorListLength TensorListPopBack TensorListPushBack TensorListReserve
    TensorListSetItem TensorListStack TensorScatterAdd TensorScatterSub TensorScatterUpdate Tile
    TopK TopKV2 Transpose TruncateDiv TruncateMod Unique UniqueV2 UniqueWithCounts Unpack
    UnsortedSegmentMax UnsortedSegmentMin UnsortedSegmentProd UnsortedSegmentSum UpperBound
    VarHandleOp VariableShape Where While Xdivy Xlog1py Xlogy ZerosLike
"""

_REPEATABLE = frozenset(_NAMES.split())


def is_repeatable(operations: Iterable[str]) -> bool:
    """Returns whether all of these kinds of operations are repeatable, and there is one at least.

    Args:
        operations: Kinds as TensorFlow names them ("MatMul"), of a graph and its functions.
    """
    kinds = frozenset(operations)
    return bool(kinds) and kinds <= _REPEATABLE
